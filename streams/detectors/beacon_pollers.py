"""Registered domains that well-behaved programs ask regularly by design: time, updates, telemetry, certificates.

A beacon to one of them is no finding; what hides behind them is for other detectors. Must not know how beacons look.
"""

from __future__ import annotations

POLLERS = (
    # time, connectivity, certificates
    *("ntp.org", "pool.ntp.org", "time.nist.gov", "nist.gov", "msftconnecttest.com", "msftncsi.com", "gnome.org"),
    *("digicert.com", "lencr.org", "letsencrypt.org", "pki.goog", "sectigo.com", "globalsign.com", "entrust.net"),
    *("amazontrust.com", "usertrust.com", "comodoca.com", "identrust.com", "godaddy.com", "archlinux.org"),
    # systems and their vendors
    *("microsoft.com", "windows.com", "windowsupdate.com", "windows.net", "live.com", "office.com", "office.net"),
    *("office365.com", "microsoftonline.com", "msedge.net", "msn.com", "bing.com", "skype.com", "azure.com"),
    *("azureedge.net", "trafficmanager.net", "apple.com", "icloud.com", "aaplimg.com", "apple-dns.net", "mzstatic.com"),
    *("google.com", "googleapis.com", "gstatic.com", "gvt1.com", "gvt2.com", "googleusercontent.com", "youtube.com"),
    *("android.com", "ubuntu.com", "debian.org", "canonical.com", "fedoraproject.org", "centos.org", "redhat.com"),
    *("suse.com", "opensuse.org", "snapcraft.io", "launchpad.net", "raspberrypi.com", "alpinelinux.org", "samsung.com"),
    # browsers, security products, monitoring
    *("mozilla.org", "mozilla.com", "mozilla.net", "firefox.com", "brave.com", "opera.com", "vivaldi.com"),
    *("cloudsink.net", "sentinelone.net", "sophos.com", "sophosxl.net", "mcafee.com", "symantec.com", "kaspersky.com"),
    *("eset.com", "bitdefender.com", "avast.com", "avcdn.net", "trendmicro.com", "malwarebytes.com", "qualys.com"),
    *("paloaltonetworks.com", "fortinet.net", "fortinet.com", "umbrella.com", "opendns.com", "zscaler.net"),
    *("datadoghq.com", "datadoghq.eu", "newrelic.com", "nr-data.net", "sentry.io", "grafana.net", "grafana.com"),
    *("splunkcloud.com", "elastic.co", "elastic-cloud.com", "dynatrace.com", "honeycomb.io", "pagerduty.com"),
    *("logz.io", "loggly.com", "papertrailapp.com", "pingdom.com", "uptimerobot.com", "statuspage.io"),
    # what people keep open all day
    *("slack.com", "slack-edge.com", "zoom.us", "teams.com", "webex.com", "whatsapp.net", "whatsapp.com", "signal.org"),
    *(
        "telegram.org",
        "discord.com",
        "discord.gg",
        "spotify.com",
        "scdn.co",
        "dropbox.com",
        "dropboxapi.com",
        "box.com",
    ),
    *(
        "facebook.com",
        "fbcdn.net",
        "instagram.com",
        "twitter.com",
        "x.com",
        "linkedin.com",
        "tiktok.com",
        "netflix.com",
    ),
    *("adobe.com", "adobe.io", "amazon.com", "amazonalexa.com", "steampowered.com", "teamviewer.com", "anydesk.com"),
    *(
        "1password.com",
        "lastpass.com",
        "bitwarden.com",
        "atlassian.com",
        "atlassian.net",
        "notion.so",
        "salesforce.com",
    ),
    # what machines and developers fetch
    *("github.com", "githubusercontent.com", "gitlab.com", "docker.io", "docker.com", "quay.io", "k8s.io", "gcr.io"),
    *("pypi.org", "pythonhosted.org", "npmjs.org", "npmjs.com", "maven.org", "rubygems.org", "golang.org", "crates.io"),
    *("hashicorp.com", "terraform.io", "jetbrains.com", "visualstudio.com", "vscode-cdn.net", "cloudflare.com"),
    *("cloudflare-dns.com", "akamai.net", "akamaiedge.net", "akadns.net", "fastly.net", "edgekey.net", "edgesuite.net"),
    *(
        "segment.io",
        "segment.com",
        "google-analytics.com",
        "googletagmanager.com",
        "doubleclick.net",
        "launchdarkly.com",
    ),
    *("optimizely.com", "amplitude.com", "mixpanel.com", "intercom.io", "hotjar.com", "app-measurement.com"),
    *("crashlytics.com", "appcenter.ms", "applovin.com", "appsflyer.com", "branch.io", "bugsnag.com", "unity3d.com"),
)
