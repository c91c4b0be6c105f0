"""Where code lives and runs: repositories, builds, incidents."""

from pumice.agents.selectors import body, first, header
from pumice.agents.sources import WHOLE_BODY, Sample, Source
from pumice.sources.body_hmac import BodyHmac
from pumice.sources.digests import Digest
from pumice.sources.senders.standard import STANDARD_WEBHOOKS
from pumice.sources.timed_hmac import TimedHmac
from pumice.sources.tokens import SharedToken

SHA1 = Digest("sha1")
BASE64 = Digest(encoding="base64")


def github(secret: str) -> Source:
    """GitHub, also Gitea's and Forgejo's GitHub format.

    https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
    """
    return Source(
        "github",
        BodyHmac("X-Hub-Signature-256", "sha256="),
        (secret,),
        header("X-GitHub-Delivery"),
        header("X-GitHub-Event"),
        within=10,
        sample=Sample(
            {"action": "created", "repository": {"full_name": "octocat/demo"}, "sender": {"login": "octocat"}},
            headers={"X-GitHub-Event": "star", "X-GitHub-Delivery": "{id}"},
        ),
    )


def gitlab(secret: str | None = None, *, signing: str | None = None) -> Source:
    """GitLab, by its secret token or, better, by its signing token.

    https://docs.gitlab.com/user/project/integrations/webhooks/
    Raises `ValueError` unless just one of them is named.
    """
    if (secret is None) == (signing is None):
        raise ValueError('gitlab: name the variable of its token, gitlab("ENV"), or gitlab(signing="ENV")')
    headers = {"X-Gitlab-Event": "Push Hook", "X-Gitlab-Event-UUID": "{id}", "Idempotency-Key": "{id}"}
    return Source(
        "gitlab",
        SharedToken("header", "X-Gitlab-Token") if secret is not None else STANDARD_WEBHOOKS,
        (secret or signing or "",),
        first(header("Idempotency-Key"), header("webhook-id"), header("X-Gitlab-Event-UUID")),
        header("X-Gitlab-Event"),
        within=10,
        sample=Sample(
            {"object_kind": "push", "project": {"path_with_namespace": "octocat/demo"}},
            headers=headers if secret is not None else {**headers, "webhook-id": "{id}"},
        ),
    )


def bitbucket(secret: str) -> Source:
    """Bitbucket Cloud. https://support.atlassian.com/bitbucket-cloud/docs/manage-webhooks/"""
    return Source(
        "bitbucket",
        BodyHmac("X-Hub-Signature", "sha256="),
        (secret,),
        header("X-Request-UUID"),
        header("X-Event-Key"),
        within=10,
        sample=Sample(
            {"repository": {"full_name": "octocat/demo"}, "push": {"changes": []}},
            headers={"X-Event-Key": "repo:push", "X-Request-UUID": "{id}"},
        ),
    )


def jira(secret: str) -> Source:
    """Jira and Confluence. https://developer.atlassian.com/cloud/jira/platform/webhooks/"""
    return Source(
        "jira",
        BodyHmac("X-Hub-Signature", "sha256="),
        (secret,),
        header("X-Atlassian-Webhook-Identifier"),
        body("webhookEvent"),
        body("timestamp"),
        within=20,
        sample=Sample(
            {"webhookEvent": "jira:issue_updated", "timestamp": "{now_ms}", "issue": {"key": "DEMO-1"}},
            headers={"X-Atlassian-Webhook-Identifier": "{id}"},
        ),
    )


def linear(secret: str) -> Source:
    """Linear. https://linear.app/developers/webhooks"""
    return Source(
        "linear",
        BodyHmac("Linear-Signature"),
        (secret,),
        header("Linear-Delivery"),
        first(header("Linear-Event"), body("type")),
        body("webhookTimestamp"),
        within=5,
        only_200=True,
        sample=Sample(
            {"action": "update", "type": "Issue", "data": {"id": "demo"}, "webhookTimestamp": "{now_ms}"},
            headers={"Linear-Delivery": "{id}", "Linear-Event": "Issue"},
        ),
    )


def sentry(secret: str) -> Source:
    """Sentry's integration platform. https://docs.sentry.io/organization/integrations/integration-platform/webhooks/"""
    return Source(
        "sentry",
        BodyHmac("Sentry-Hook-Signature"),
        (secret,),
        header("Request-ID"),
        header("Sentry-Hook-Resource"),
        header("Sentry-Hook-Timestamp"),
        within=1,
        sample=Sample(
            {"action": "created", "data": {"issue": {"id": "demo"}}},
            headers={"Request-ID": "{id}", "Sentry-Hook-Resource": "issue", "Sentry-Hook-Timestamp": "{now}"},
        ),
    )


def pagerduty(secret: str) -> Source:
    """PagerDuty's V3 webhooks. https://developer.pagerduty.com/docs/verifying-webhook-signatures"""
    return Source(
        "pagerduty",
        BodyHmac("X-PagerDuty-Signature", "v1=", separator=","),
        (secret,),
        first(header("X-Webhook-Id"), body("event.id")),
        body("event.event_type"),
        body("event.occurred_at"),
        within=5,
        sample=Sample(
            {
                "event": {
                    "id": "{id}",
                    "event_type": "incident.triggered",
                    "occurred_at": "{now_iso}",
                    "data": {"id": "demo"},
                }
            }
        ),
    )


def vercel(secret: str) -> Source:
    """Vercel. https://vercel.com/docs/webhooks/webhooks-api"""
    return Source(
        "vercel",
        BodyHmac("x-vercel-signature", digest=SHA1),
        (secret,),
        body("id"),
        body("type"),
        body("createdAt"),
        within=30,
        sample=Sample(
            {
                "id": "{id}",
                "type": "deployment.succeeded",
                "createdAt": "{now_ms}",
                "payload": {"project": {"id": "demo"}},
            }
        ),
    )


def circleci(secret: str) -> Source:
    """CircleCI. https://circleci.com/docs/guides/integration/outbound-webhooks/"""
    return Source(
        "circleci",
        BodyHmac("circleci-signature", "v1=", separator=","),
        (secret,),
        body("id"),
        first(header("circleci-event-type"), body("type")),
        body("happened_at"),
        within=5,
        sample=Sample(
            {
                "id": "{id}",
                "type": "workflow-completed",
                "happened_at": "{now_iso}",
                "project": {"slug": "github/octocat/demo"},
            },
            headers={"circleci-event-type": "workflow-completed"},
        ),
    )


def buildkite(secret: str) -> Source:
    """Buildkite, with its signature. https://buildkite.com/docs/apis/webhooks/pipelines"""
    return Source(
        "buildkite",
        TimedHmac("X-Buildkite-Signature", "{time}.{body}", "timestamp", "signature", ","),
        (secret,),
        WHOLE_BODY,
        first(header("X-Buildkite-Event"), body("event")),
        within=15,
        sample=Sample(
            {"event": "build.finished", "build": {"id": "{id}", "pipeline": "demo"}},
            headers={"X-Buildkite-Event": "build.finished"},
        ),
    )


def heroku(secret: str) -> Source:
    """Heroku's app webhooks. https://devcenter.heroku.com/articles/app-webhooks"""
    return Source(
        "heroku",
        BodyHmac("Heroku-Webhook-Hmac-SHA256", digest=BASE64),
        (secret,),
        body("webhook_metadata.delivery.id"),
        body("webhook_metadata.event.include"),
        body("created_at"),
        within=10,
        sample=Sample(
            {
                "id": "{id}",
                "action": "update",
                "created_at": "{now_iso}",
                "data": {"app": {"name": "demo"}},
                "webhook_metadata": {
                    "delivery": {"id": "{id}"},
                    "event": {"id": "{id}", "include": "api:release"},
                },
            }
        ),
    )


def launchdarkly(secret: str) -> Source:
    """LaunchDarkly. https://launchdarkly.com/docs/home/infrastructure/webhooks"""
    return Source(
        "launchdarkly",
        BodyHmac("X-LD-Signature"),
        (secret,),
        body("_id"),
        body("kind"),
        body("date"),
        within=10,
        sample=Sample({"_id": "{id}", "kind": "flag", "date": "{now_ms}", "name": "demo"}),
    )


def gitea(secret: str) -> Source:
    """Gitea and Forgejo. https://docs.gitea.com/usage/webhooks"""
    return Source(
        "gitea",
        BodyHmac("X-Gitea-Signature"),
        (secret,),
        header("X-Gitea-Delivery"),
        header("X-Gitea-Event"),
        within=5,
        sample=Sample(
            {"ref": "refs/heads/main", "repository": {"full_name": "octocat/demo"}},
            headers={"X-Gitea-Event": "push", "X-Gitea-Delivery": "{id}"},
        ),
    )


SENDERS = (
    github,
    gitlab,
    bitbucket,
    jira,
    linear,
    sentry,
    pagerduty,
    vercel,
    circleci,
    buildkite,
    heroku,
    launchdarkly,
    gitea,
)
