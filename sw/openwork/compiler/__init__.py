"""From an integer layer to the commands, tap tables and weight streams of one array, and the cycles they take."""
