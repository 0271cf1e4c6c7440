"""The resolver: answers DNS queries by policy and publishes an event for each; app.py puts it together."""
