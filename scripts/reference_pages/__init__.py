"""What the chart's schema and README take from elsewhere, so that nothing is written twice."""
