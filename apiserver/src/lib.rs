//! A kube-apiserver in the process
