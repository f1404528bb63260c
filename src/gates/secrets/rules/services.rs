//! Documents, designs, maps, identities, and other services.

use super::cloud::UUID;
use crate::gates::secrets::rule::{Rule, named, token, within};

pub(super) const RULES: &[Rule] = &[
    token("linear-key", "a Linear API key", &["lin_api_"], r"lin_api_[A-Za-z0-9]{40}").entropy(3.0),
    token("notion-token", "a Notion token", &["ntn_"], r"ntn_[A-Za-z0-9]{40,50}").entropy(3.0),
    named("notion-legacy-token", "a Notion token", &["notion"], r"secret_[A-Za-z0-9]{43}").entropy(3.5),
    named("asana-token", "an Asana token", &["asana"], r"(?:\d/)?\d{10,20}[:/][A-Za-z0-9/:]{32,60}").entropy(3.0),
    token("clickup-token", "a ClickUp token", &["pk_"], r"pk_\d{5,10}_[A-Z0-9]{32}"),
    token("figma-token", "a Figma token", &["figd_"], r"figd_[A-Za-z0-9_-]{40,44}").entropy(3.5),
    within("airtable-token", "an Airtable token", &["pat"], r"pat[A-Za-z0-9]{14}\.[0-9a-f]{64}"),
    named("airtable-key", "an Airtable key", &["airtable"], r"key[A-Za-z0-9]{14}").entropy(3.2),
    token("contentful-token", "a Contentful management token", &["cfpat-"], r"CFPAT-[A-Za-z0-9_-]{43}"),
    token("typeform-token", "a Typeform token", &["tfp_"], r"tfp_[A-Za-z0-9_.-]{40,70}").entropy(3.5),
    token(
        "dropbox-token",
        "a Dropbox token",
        &["sl.u.", "sl.b", "sl.a"],
        r"sl\.[A-Za-z0-9_-]{1,4}[A-Za-z0-9_.-]{130,1500}",
    ),
    named("dropbox-secret", "a Dropbox app secret", &["dropbox"], r"[a-z0-9]{15}").entropy(2.9),
    named("box-secret", "a Box client secret", &["box_client", "boxclient", "box_secret"], r"[A-Za-z0-9]{32}")
        .entropy(3.8),
    named("trello-token", "a Trello key or token", &["trello"], r"[0-9a-f]{32}|[0-9a-f]{64}|ATTA[0-9a-fA-F]{72}")
        .entropy(3.0),
    named("okta-token", "an Okta token", &["okta"], r"00[A-Za-z0-9_-]{40}").entropy(3.8),
    named("auth0-secret", "an Auth0 client secret", &["auth0"], r"[A-Za-z0-9_-]{64}").entropy(4.0),
    token(
        "onepassword-service-token",
        "a 1Password service account token",
        &["ops_eyj"],
        r"ops_eyJ[A-Za-z0-9+/=_-]{200,2000}",
    ),
    token(
        "onepassword-secret-key",
        "a 1Password secret key",
        &["a3-"],
        r"A3-[A-Z0-9]{6}-(?:[A-Z0-9]{11}|[A-Z0-9]{6}-[A-Z0-9]{5})(?:-[A-Z0-9]{5}){3}",
    )
    .entropy(3.3),
    token(
        "mapbox-secret-token",
        "a secret Mapbox token",
        &["sk.eyj"],
        r"sk\.eyJ[A-Za-z0-9_-]{20,120}\.[A-Za-z0-9_-]{22}",
    ),
    within("maxmind-key", "a MaxMind licence key", &["_mmk"], r"[A-Za-z0-9]{6}_[A-Za-z0-9]{29}_mmk"),
    named(
        "algolia-key",
        "an Algolia admin key",
        &["algolia_admin", "algoliaadmin", "algolia_api", "algolia_write", "algolia"],
        r"[0-9a-f]{32}",
    )
    .entropy(3.0)
    .likely(),
    named(
        "rapidapi-key",
        "a RapidAPI key",
        &["rapidapi", "rapid_api"],
        r"[0-9a-z]{10}msh[0-9a-z]{15}p1[0-9a-z]{6}jsn[0-9a-z]{12}",
    )
    .entropy(3.3),
    named(
        "salesforce-secret",
        "a Salesforce secret",
        &["salesforce", "sfdc"],
        r"[0-9A-F]{64}|[0-9]{18,19}|00D[A-Za-z0-9]{12}![A-Za-z0-9._]{80,110}",
    )
    .entropy(2.8),
    named("zoom-secret", "a Zoom client secret", &["zoom"], r"[A-Za-z0-9]{32}|[A-Za-z0-9]{36}").entropy(3.8),
    named("spotify-secret", "a Spotify client secret", &["spotify"], r"[0-9a-f]{32}").entropy(3.0),
    named("twitch-secret", "a Twitch secret", &["twitch"], r"[a-z0-9]{30}").entropy(3.5),
    named("unsplash-secret", "an Unsplash secret", &["unsplash"], r"[A-Za-z0-9_-]{43}").entropy(3.8),
    named("freshdesk-key", "a Freshdesk key", &["freshdesk", "freshbooks"], r"[A-Za-z0-9]{20}|[0-9a-f]{64}")
        .entropy(3.4),
    named("openweather-key", "an OpenWeather key", &["openweather", "owm_api"], r"[0-9a-f]{32}").entropy(3.0).likely(),
    named("lob-key", "a Lob key", &["lob_api", "lob_key"], r"(?:live|test)_[0-9a-f]{35}").entropy(3.0),
    named("webflow-token", "a Webflow token", &["webflow"], r"[0-9a-f]{64}").entropy(3.0),
    named("bitly-token", "a Bitly token", &["bitly"], r"[0-9a-f]{40}").entropy(3.0),
    named("virustotal-key", "a VirusTotal key", &["virustotal", "vt_api"], r"[0-9a-f]{64}").entropy(3.0),
    named("shodan-key", "a Shodan key", &["shodan"], r"[A-Za-z0-9]{32}").entropy(3.5),
    named(
        "search-master-key",
        "a Snipcart or Typesense key",
        &["snipcart", "typesense", "meilisearch", "meili_master"],
        r"[A-Za-z0-9_-]{32,76}",
    )
    .entropy(3.8),
    named("pipedrive-key", "a Pipedrive or Monday key", &["pipedrive", "monday_api"], r"[0-9a-f]{40}").entropy(3.0),
    named("clerk-key", "a Clerk secret key", &["clerk"], r"sk_live_[A-Za-z0-9]{40,50}").entropy(3.5),
    named("mongodb-atlas-key", "a MongoDB Atlas key", &["mongodb_atlas", "atlas_private", "mcli_private"], UUID)
        .entropy(3.0),
];
