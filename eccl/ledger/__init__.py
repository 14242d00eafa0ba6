"""Records beside the data: tombstones, withdrawal certificates, releases and exports."""
