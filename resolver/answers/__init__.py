"""Where answers come from, one file each: policy, virtual, cached, upstream. The handler calls them."""
