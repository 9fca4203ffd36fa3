"""Models that show the way through Openwork: the demo's, and published networks whose weights and data are in a shared folder."""
