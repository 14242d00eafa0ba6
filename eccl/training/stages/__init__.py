"""One module per stage; each has ``run(session)``, which trains, saves and writes the stage's feature views."""
