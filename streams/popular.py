"""Domains that no detector may take away from a tenant, whatever it says: the popularity list of the feedback.

Registered domains that most networks cannot do without, by public suffix, so nothing below them is blocked as a whole.
Data only.
"""

from __future__ import annotations

_WRITTEN = """
aaplimg.com akadns.net akamai.net akamaiedge.net akamaihd.net akamaized.net amazon.com amazonaws.com apple-dns.net
apple.com archlinux.org atlassian.com atlassian.net azure.com azure.net azureedge.net azurefd.net baidu.com bing.com
bitbucket.org box.com centos.org cloudflare-dns.com cloudflare.com cloudflare.net cloudfront.net debian.org
digicert.com docker.com docker.io dropbox.com edgekey.net edgesuite.net facebook.com fastly.net fastlylb.net fbcdn.net
fedoraproject.org firefox.com github.com githubusercontent.com gitlab.com gmail.com google.com googleapis.com
googleusercontent.com googlevideo.com gstatic.com gvt1.com gvt2.com icloud.com instagram.com lencr.org letsencrypt.org
linkedin.com live.com microsoft.com microsoftonline.com mozilla.com mozilla.net mozilla.org msedge.net
msftconnecttest.com msftncsi.com netflix.com nflxvideo.net npmjs.org ntp.org office.com office.net office365.com
okta.com outlook.com paypal.com pypi.org python.org pythonhosted.org redhat.com root-servers.net salesforce.com
slack.com spotify.com trafficmanager.net ubuntu.com whatsapp.com whatsapp.net wikimedia.org wikipedia.org windows.com
windows.net windowsupdate.com yahoo.com youtube.com ytimg.com zoom.us
"""
POPULAR = frozenset(_WRITTEN.split())
