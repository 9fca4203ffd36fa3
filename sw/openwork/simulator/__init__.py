"""What a layer program computes, without a clock."""
