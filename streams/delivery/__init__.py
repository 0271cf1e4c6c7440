"""Alerts from dns.alerts to where people read them: webhooks, Slack, syslog over TLS, files.

One consumer group and one position a target, so that a slow one holds nobody up. A position moves on when the alert was
delivered or lies on dns.dead; after a crash an alert may come twice, never not at all. Must not know how alerts come
about, nor Faust or the warehouse.
"""
