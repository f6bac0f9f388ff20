"""From TCP segments to the two byte streams of each flow: sequence arithmetic, one half-stream, the flow table."""
