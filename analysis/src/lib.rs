//! Asks metric servers and webhooks; judges nothing
