"""Feature views, references, point-in-time joins and the published store that analysts open."""
