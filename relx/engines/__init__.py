"""What predicts with a trained model: Keras or OpenVINO."""
