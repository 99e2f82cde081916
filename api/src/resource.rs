//! Ties each kind to its group, version and plural, so that typed clients can name it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

/// Implements k8s-openapi's naming traits for a namespaced custom resource.
macro_rules! namespaced {
    ($kind:ident, $group:literal, $version:literal, $plural:literal) => {
        impl k8s_openapi::Resource for crate::$kind {
            const API_VERSION: &'static str = concat!($group, "/", $version);
            const GROUP: &'static str = $group;
            const KIND: &'static str = stringify!($kind);
            const VERSION: &'static str = $version;
            const URL_PATH_SEGMENT: &'static str = $plural;
            type Scope = k8s_openapi::NamespaceResourceScope;
        }
        impl k8s_openapi::Metadata for crate::$kind {
            type Ty = ObjectMeta;
            fn metadata(&self) -> &ObjectMeta {
                &self.metadata
            }
            fn metadata_mut(&mut self) -> &mut ObjectMeta {
                &mut self.metadata
            }
        }
    };
}

namespaced!(Canary, "flagger.app", "v1beta1", "canaries");
namespaced!(MetricTemplate, "flagger.app", "v1beta1", "metrictemplates");
namespaced!(AlertProvider, "flagger.app", "v1beta1", "alertproviders");
namespaced!(
    GitRepository,
    "source.toolkit.fluxcd.io",
    "v1",
    "gitrepositories"
);
namespaced!(
    Kustomization,
    "kustomize.toolkit.fluxcd.io",
    "v1",
    "kustomizations"
);
