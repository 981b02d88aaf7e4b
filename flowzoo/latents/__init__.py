"""What the latents of a trained model hold: paths between images, levels kept and drawn, missing pixels."""
