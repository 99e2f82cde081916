//! A small HTTP data plane that obeys Gateway API routes
