"""Everything Fluxwire can prove about itself."""
