//! The dashboard: feed -> state -> view
