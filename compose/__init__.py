"""The ``nameward`` command and the embedded stack: the only package that knows both programs."""
