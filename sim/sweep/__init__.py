"""Where does overflow start? Grids of units on the batch engine, judged, as tables and plots."""
