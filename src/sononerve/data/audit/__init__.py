"""What a careful colleague would find before training."""
