//! Clouds, hosting, and what runs on them.

use crate::gates::secrets::rule::{Rule, named, token, within};

pub(super) const RULES: &[Rule] = &[
    token(
        "aws-access-key",
        "an AWS access key id",
        &["akia", "asia", "abia", "acca"],
        r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}",
    )
    .entropy(3.0),
    named(
        "aws-secret-key",
        "an AWS secret access key",
        &["aws_secret", "aws-secret", "awssecret", "aws_key", "secretaccesskey", "secret_access_key"],
        r"[A-Za-z0-9/+]{40}",
    )
    .entropy(4.0),
    named(
        "aws-session-token",
        "an AWS session token",
        &["aws_session_token", "awssessiontoken", "sessiontoken"],
        r"(?:FwoG|IQoJ|FQoG)[A-Za-z0-9/+=]{96,500}",
    ),
    token("aws-bedrock-key", "a key for AWS Bedrock", &["absk"], r"ABSK[A-Za-z0-9+/]{109,269}={0,2}"),
    token(
        "aws-mws-token",
        "a token of Amazon's marketplace",
        &["amzn.mws."],
        r"amzn\.mws\.[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    ),
    token("gcp-api-key", "a Google API key", &["aiza"], r"AIza[A-Za-z0-9_-]{35}").entropy(3.5).likely(),
    token("gcp-oauth-client-secret", "a Google OAuth client secret", &["gocspx-"], r"GOCSPX-[A-Za-z0-9_-]{28}"),
    token("gcp-oauth-access-token", "a Google OAuth access token", &["ya29."], r"ya29\.[A-Za-z0-9_-]{50,300}"),
    token("gcp-oauth-refresh-token", "a Google OAuth refresh token", &["1//0"], r"1//0[A-Za-z0-9_-]{40,200}")
        .entropy(4.0),
    token(
        "azure-storage-key",
        "the key of an Azure storage or database account",
        &["accountkey="],
        r"(?i:AccountKey)=([A-Za-z0-9+/]{86}==)",
    )
    .entropy(4.0),
    token(
        "azure-shared-access-key",
        "an Azure shared access key",
        &["sharedaccesskey="],
        r"(?i:SharedAccessKey)=([A-Za-z0-9+/]{43}=)",
    )
    .entropy(4.0),
    token(
        "azure-sas-signature",
        "a signed link to Azure storage",
        &["?sv=20", "&sv=20", "?sp=", "?se=20", "?st=20"],
        r"[?&]s[vpet]=[A-Za-z0-9%&=:._-]{10,300}?&sig=([A-Za-z0-9%/+]{40,70}(?:%3[Dd]|=))",
    )
    .entropy(4.0),
    within(
        "azure-client-secret",
        "a client secret of Microsoft Entra",
        &["7q~", "8q~", "0q~", "1q~", "2q~", "3q~", "4q~", "5q~", "6q~", "9q~"],
        r"[A-Za-z0-9_~.]{3}[0-9]Q~[A-Za-z0-9_~.-]{31,34}",
    )
    .entropy(3.5),
    named(
        "azure-devops-token",
        "a token of Azure DevOps",
        &["azure_devops", "azuredevops", "ado_pat", "vsts"],
        r"[a-z2-7]{52}",
    )
    .entropy(3.5),
    named(
        "azure-service-key",
        "a key of an Azure service",
        &["azure_openai", "azureopenai", "ocp-apim", "azure_search", "azure_api", "azure_cognitive"],
        r"[0-9a-fA-F]{32}|[A-Za-z0-9]{52}|[A-Za-z0-9]{84}",
    )
    .entropy(3.0),
    token("digitalocean-token", "a DigitalOcean access token", &["dop_v1_"], r"dop_v1_[0-9a-f]{64}"),
    token("digitalocean-oauth-token", "a DigitalOcean OAuth token", &["doo_v1_"], r"doo_v1_[0-9a-f]{64}"),
    token("digitalocean-refresh-token", "a DigitalOcean refresh token", &["dor_v1_"], r"dor_v1_[0-9a-f]{64}"),
    named(
        "cloudflare-token",
        "a Cloudflare token or key",
        &["cloudflare", "cf_api", "cf-api"],
        r"[A-Za-z0-9_-]{40}|[0-9a-f]{37}",
    )
    .entropy(3.3),
    token("cloudflare-origin-ca-key", "a Cloudflare origin CA key", &["v1.0-"], r"v1\.0-[0-9a-f]{24}-[0-9a-f]{146}"),
    token("alibaba-access-key", "an Alibaba Cloud access key", &["ltai"], r"LTAI[A-Za-z0-9]{12,24}").entropy(3.2),
    token("tencent-secret-id", "a Tencent Cloud secret id", &["akid"], r"AKID[A-Za-z0-9]{32}").entropy(3.5),
    named(
        "ibm-cloud-key",
        "an IBM Cloud API key",
        &["ibm_cloud", "ibmcloud", "ibm-cloud", "iam_api"],
        r"[A-Za-z0-9_-]{44}",
    )
    .entropy(4.0),
    named("hetzner-token", "a Hetzner token", &["hetzner", "hcloud"], r"[A-Za-z0-9]{64}").entropy(4.0),
    named("linode-token", "a Linode token", &["linode"], r"[0-9a-f]{64}").entropy(3.0),
    named("vultr-key", "a Vultr API key", &["vultr"], r"[A-Z0-9]{36}").entropy(3.5),
    token("scaleway-access-key", "a Scaleway access key", &["scw"], r"SCW[A-Z0-9]{17}").entropy(3.0).likely(),
    named("scaleway-secret-key", "a Scaleway secret key", &["scw_secret", "scaleway_secret"], UUID).entropy(3.0),
    token("heroku-token", "a Heroku token", &["hrku-aa"], r"HRKU-AA[A-Za-z0-9_-]{58}"),
    named("heroku-api-key", "a Heroku API key", &["heroku"], UUID).entropy(3.0),
    token(
        "flyio-token",
        "a Fly.io token",
        &["fo1_", "fm1r_", "fm1a_", "fm2_"],
        r"fo1_[A-Za-z0-9_-]{43}|fm(?:1r|1a|2)_[A-Za-z0-9+/]{100,}={0,3}",
    ),
    token("render-key", "a Render API key", &["rnd_"], r"rnd_[A-Za-z0-9]{32}").entropy(3.5),
    token("netlify-token", "a Netlify token", &["nfp_"], r"nfp_[A-Za-z0-9]{36,40}").entropy(3.5),
    named("vercel-token", "a Vercel token", &["vercel"], r"[A-Za-z0-9]{24}").entropy(3.5),
    token(
        "vercel-blob-token",
        "a token of a Vercel blob store",
        &["vercel_blob_rw_"],
        r"vercel_blob_rw_[A-Za-z0-9]{16}_[A-Za-z0-9]{30,40}",
    ),
    named("railway-token", "a Railway token", &["railway"], UUID).entropy(3.0),
    token("supabase-token", "a Supabase token", &["sbp_"], r"sbp_[0-9a-f]{40}"),
    token("supabase-secret-key", "a Supabase secret key", &["sb_secret_"], r"sb_secret_[A-Za-z0-9_-]{31}"),
    token(
        "planetscale-token",
        "a PlanetScale password or token",
        &["pscale_"],
        r"pscale_(?:pw|tkn|oauth)_[A-Za-z0-9_.-]{32,64}",
    ),
    token("neon-key", "a Neon API key", &["napi_"], r"napi_[a-z0-9]{64}"),
    token("databricks-token", "a Databricks token", &["dapi"], r"dapi[0-9a-f]{32}(?:-\d)?"),
    token(
        "doppler-token",
        "a Doppler token",
        &["dp.pt.", "dp.st.", "dp.ct.", "dp.sa.", "dp.scim.", "dp.audit."],
        r"dp\.(?:pt|st|ct|sa|scim|audit)\.(?:[a-z0-9_-]{2,35}\.)?[A-Za-z0-9]{40,44}",
    ),
    token("vault-token", "a HashiCorp Vault token", &["hvs.", "hvb.", "hvr."], r"hv[sbr]\.[A-Za-z0-9_-]{24,300}")
        .entropy(3.5),
    named(
        "vault-legacy-token",
        "a HashiCorp Vault token",
        &["vault_token", "vault-token", "vaulttoken"],
        r"s\.[A-Za-z0-9]{24}",
    )
    .entropy(3.5),
    within(
        "terraform-cloud-token",
        "a Terraform Cloud token",
        &[".atlasv1."],
        r"[A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9_=-]{60,70}",
    ),
    token("pulumi-token", "a Pulumi token", &["pul-"], r"pul-[0-9a-f]{40}"),
    token("yandex-key", "a Yandex Cloud API key", &["aqvn"], r"AQVN[A-Za-z0-9_-]{35,38}").entropy(3.5),
    token("openshift-token", "an OpenShift token", &["sha256~"], r"sha256~[A-Za-z0-9_-]{43}"),
    token(
        "tailscale-key",
        "a Tailscale key",
        &["tskey-"],
        r"tskey-(?:auth|api|client|scim|webhook)-[A-Za-z0-9]+-[A-Za-z0-9]{20,40}",
    ),
    named("ngrok-token", "an ngrok token", &["ngrok"], r"[A-Za-z0-9]{26,30}_[A-Za-z0-9]{18,24}").entropy(4.0),
    named("fastly-token", "a Fastly token", &["fastly"], r"[A-Za-z0-9_-]{32}").entropy(3.5),
    named("confluent-secret", "a secret of Confluent Cloud", &["confluent"], r"[A-Za-z0-9+/]{64}").entropy(4.0),
    token("akamai-token", "an Akamai EdgeGrid token", &["akab-"], r"akab-[a-z0-9]{16}-[a-z0-9]{16}"),
    token("infracost-key", "an Infracost API key", &["ico-"], r"ico-[A-Za-z0-9]{32}").entropy(3.5),
    token("aiven-token", "an Aiven service password", &["avns_"], r"AVNS_[A-Za-z0-9_-]{16,24}").entropy(3.2),
    token("cockroach-key", "a CockroachDB Cloud API key", &["ccdb1_"], r"CCDB1_[A-Za-z0-9]{22}_[A-Za-z0-9]{40}"),
];

pub(super) const UUID: &str = r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}";
