"""Models that show the way through Openwork, trained from data that comes with the packages."""
