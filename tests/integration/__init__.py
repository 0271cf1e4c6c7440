"""The whole program over real sockets, brokers and databases."""
