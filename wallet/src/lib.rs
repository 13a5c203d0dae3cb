//! Keys, addresses, coin selection, signing, keystore, wallet commands
