"""The demo day as a generator makes it, and what is said of it afterwards."""
