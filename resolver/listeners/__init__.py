"""Where queries and requests come in, one file each: UDP, TCP, the admin endpoint. They call the handler."""
