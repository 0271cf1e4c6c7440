"""How well the detectors find what is bad and leave alone what is not: ``make quality`` writes QUALITY.md.

scenario.py says what is played, the files beside it play it (captures, live tunnels, generated incidents), play.py shows
it to a tenant's analysis as the stream would, judge.py counts, report.py writes the table.
"""
