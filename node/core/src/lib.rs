//! Pure: Replica = engine + mempool + peer policy; Input -> Output
