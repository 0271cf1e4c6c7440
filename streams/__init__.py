"""Stream processors: query events in, telemetry, alerts, context signals, overlays and stored rows out."""
