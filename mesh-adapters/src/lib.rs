//! Puts a route into the words of each mesh, and reads the weights back
