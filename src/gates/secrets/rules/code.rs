//! Where code is hosted, built, checked and published.

use super::cloud::UUID;
use crate::gates::secrets::rule::{Rule, named, token};

pub(super) const RULES: &[Rule] = &[
    token("github-token", "a GitHub personal access token", &["ghp_"], r"ghp_[A-Za-z0-9]{36}").entropy(3.0),
    token(
        "github-fine-grained-token",
        "a fine-grained GitHub token",
        &["github_pat_"],
        r"github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59}",
    )
    .entropy(3.0),
    token("github-oauth-token", "a GitHub OAuth token", &["gho_"], r"gho_[A-Za-z0-9]{36}").entropy(3.0),
    token("github-app-token", "the token of a GitHub app", &["ghu_", "ghs_"], r"gh[us]_[A-Za-z0-9]{36}").entropy(3.0),
    token("github-refresh-token", "a GitHub refresh token", &["ghr_"], r"ghr_[A-Za-z0-9]{36,76}").entropy(3.0),
    token(
        "gitlab-token",
        "a GitLab personal access token",
        &["glpat-"],
        r"glpat-[A-Za-z0-9_-]{20,300}(?:\.[0-9a-z]{2}\.?[0-9a-z]{7,9})?",
    )
    .entropy(3.0),
    token("gitlab-deploy-token", "a GitLab deploy token", &["gldt-"], r"gldt-[A-Za-z0-9_-]{20}").entropy(3.0),
    token(
        "gitlab-runner-token",
        "the token of a GitLab runner",
        &["glrt-", "gr1348941"],
        r"glrt-[A-Za-z0-9_.-]{20,60}|GR1348941[A-Za-z0-9_-]{20}",
    )
    .entropy(3.0),
    token("gitlab-trigger-token", "a GitLab pipeline trigger token", &["glptt-"], r"glptt-[0-9a-f]{40}"),
    token("gitlab-job-token", "a GitLab job token", &["glcbt-"], r"glcbt-(?:[0-9a-zA-Z]{1,5}_)?[A-Za-z0-9_-]{20}")
        .entropy(3.0),
    token(
        "gitlab-feed-token",
        "a GitLab feed or mail token",
        &["glft-", "glimt-"],
        r"gl(?:ft-[A-Za-z0-9_-]{20}|imt-[A-Za-z0-9_-]{25})",
    )
    .entropy(3.0),
    token("gitlab-app-secret", "the secret of a GitLab application", &["gloas-"], r"gloas-[0-9a-zA-Z_-]{64}"),
    token("gitlab-agent-token", "the token of a GitLab agent", &["glagent-"], r"glagent-[A-Za-z0-9_-]{50}"),
    token("gitlab-scim-token", "a GitLab SCIM token", &["glsoat-"], r"glsoat-[A-Za-z0-9_-]{20}").entropy(3.0),
    token("bitbucket-app-password", "a Bitbucket app password", &["atbb"], r"ATBB[A-Za-z0-9]{24}[0-9A-F]{8}")
        .entropy(3.5),
    token(
        "bitbucket-access-token",
        "a Bitbucket access token",
        &["atctt3xffg"],
        r"ATCTT3xFfG[A-Za-z0-9+/=_-]{100,200}=[0-9A-F]{8}",
    ),
    token(
        "atlassian-token",
        "an Atlassian API token",
        &["atatt3xffg"],
        r"ATATT3xFfG[A-Za-z0-9+/=_-]{150,200}=[0-9A-F]{8}",
    ),
    named("atlassian-legacy-token", "an Atlassian API token", &["atlassian", "jira", "confluence"], r"[A-Za-z0-9]{24}")
        .entropy(3.5),
    token("npm-token", "an npm token", &["npm_"], r"npm_[A-Za-z0-9]{36}").entropy(3.0),
    token(
        "npmrc-auth",
        "a token for a package registry",
        &["_authtoken=", "_authtoken ="],
        r"_authToken ?= ?([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[A-Za-z0-9+/_-]{40,200}={0,2})",
    )
    .entropy(3.0),
    token(
        "pypi-token",
        "a PyPI token",
        &["pypi-age"],
        r"pypi-AgE(?:IcHlwaS5vcmc|NdGVzdC5weXBpLm9yZw)[A-Za-z0-9_-]{50,300}",
    ),
    token("rubygems-key", "a RubyGems API key", &["rubygems_"], r"rubygems_[0-9a-f]{48}"),
    token("crates-io-token", "a crates.io token", &["cio"], r"cio[A-Za-z0-9]{32}").entropy(3.8),
    token("nuget-key", "a NuGet API key", &["oy2"], r"oy2[a-z0-9]{43}").entropy(3.5),
    token("clojars-token", "a Clojars deploy token", &["clojars_"], r"CLOJARS_[a-z0-9]{60}"),
    token("docker-hub-token", "a Docker Hub token", &["dckr_pat_", "dckr_oat_"], r"dckr_[po]at_[A-Za-z0-9_-]{27,32}")
        .entropy(3.5),
    token(
        "docker-config-auth",
        "a login in a Docker configuration",
        &["\"auth\":"],
        r#""auth":\s*"((?:[A-Za-z0-9+/]{4}){0,60}(?:O[g-v][A-Za-z0-9+/]{2}|[A-Za-z0-9+/][DTjz][opqr][A-Za-z0-9+/]|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]6)[A-Za-z0-9+/]{6,200}={0,2})""#,
    )
    .entropy(3.8)
    .likely(),
    token("artifactory-key", "a JFrog Artifactory key", &["akcp"], r"AKCp[A-Za-z0-9]{69}"),
    token("artifactory-reference-token", "a JFrog reference token", &["cmvmd"], r"cmVmd[A-Za-z0-9]{59}").entropy(4.0),
    token("packagist-token", "a Private Packagist token", &["packagist_"], r"packagist_(?:[ou][ru]t_)?[0-9a-f]{68}"),
    token(
        "circleci-token",
        "a CircleCI token",
        &["ccipat_", "ccipprj_"],
        r"CCIP(?:AT|RJ)_[A-Za-z0-9]{22}_[0-9a-f]{40}",
    ),
    named(
        "circleci-legacy-token",
        "a CircleCI token",
        &["circleci", "circle_ci", "circle_token", "circle-token"],
        r"[0-9a-f]{40}",
    )
    .entropy(3.0),
    named("travis-token", "a Travis CI token", &["travis"], r"[A-Za-z0-9_-]{22}").entropy(3.5),
    named("drone-token", "a Drone CI token", &["drone"], r"[A-Za-z0-9]{32}").entropy(3.5),
    token("buildkite-token", "a Buildkite token", &["bkua_", "bkaj_"], r"bk(?:ua|aj)_[0-9a-f]{40}"),
    named("codecov-token", "a Codecov upload token", &["codecov"], UUID).entropy(3.0).likely(),
    token("sonar-token", "a SonarQube token", &["squ_", "sqp_", "sqa_"], r"sq[upa]_[0-9a-f]{40}"),
    named("snyk-token", "a Snyk token", &["snyk"], UUID).entropy(3.0),
    token("sourcegraph-token", "a Sourcegraph token", &["sgp_"], r"sgp_(?:(?:[0-9a-f]{16}|local)_)?[0-9a-f]{40}"),
    token("prefect-token", "a Prefect API key", &["pnu_"], r"pnu_[A-Za-z0-9]{36}").entropy(3.0),
    token("postman-key", "a Postman API key", &["pmak-"], r"PMAK-[0-9a-f]{24}-[0-9a-f]{34}"),
    token("readme-key", "a ReadMe API key", &["rdme_"], r"rdme_[a-z0-9]{70}"),
    token(
        "launchdarkly-key",
        "a LaunchDarkly key",
        &["sdk-", "api-"],
        r"(?:sdk|api)-[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}",
    ),
    named("jenkins-token", "a Jenkins API token", &["jenkins"], r"11[0-9a-f]{32}").entropy(3.0),
    named("gitea-token", "a Gitea or Forgejo token", &["gitea", "forgejo", "codeberg"], r"[0-9a-f]{40}").entropy(3.0),
    token("deno-deploy-token", "a Deno Deploy token", &["ddp_", "ddo_"], r"dd[po]_[A-Za-z0-9]{36}").entropy(3.0),
];
