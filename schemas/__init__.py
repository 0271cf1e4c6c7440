"""The contract between resolver and streams: events, objects, signals, topics. No I/O, no clock."""
