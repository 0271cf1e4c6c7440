"""Where answers come from, one file each: policy, virtual, cached, upstream. Leaves: the handler calls them, they never call each other."""
