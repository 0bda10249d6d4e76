"""What the stages share: run folder, trainer, packing, snapshots, verdicts; no stage's loss."""
