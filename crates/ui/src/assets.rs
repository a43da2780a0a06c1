//! The page's own files, which are part of the program.

/// Name, media type and text.
pub(crate) const FILES: [(&str, &str, &str); 6] = [
    ("/", "text/html; charset=utf-8", include_str!("../assets/index.html")),
    ("/style.css", "text/css; charset=utf-8", include_str!("../assets/style.css")),
    ("/state.js", "text/javascript; charset=utf-8", include_str!("../assets/state.js")),
    ("/map.js", "text/javascript; charset=utf-8", include_str!("../assets/map.js")),
    ("/answer.js", "text/javascript; charset=utf-8", include_str!("../assets/answer.js")),
    ("/page.js", "text/javascript; charset=utf-8", include_str!("../assets/page.js")),
];

/// Nothing from elsewhere, nothing inline: a name that slipped through as markup would still run
/// nothing.
pub(crate) const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
     img-src 'self' data: blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; \
     frame-ancestors 'none'";
