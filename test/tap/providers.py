"""What a provider's columns mean for a token: claim map, audiences, required claims, typ, azp, encodings."""
import json
import re

import tokens
from tap import World, ok, is_, throws, diag, done

ISSUER = "https://map.example"
KEY = tokens.Key("ES256", kid="map")
JWKS = json.dumps(tokens.keyset([KEY]))


def failing(world, session, token):
    return world.value(session, 'SELECT coalesce((SELECT "check" FROM mongo_tenant.check_token(%s) WHERE NOT passed), %s)', token, "none")


def token(headers=None, **claims):
    return KEY.sign(tokens.claims(ISSUER, **claims), headers=headers)


def expect(world, admin, name, settings, good, bad, check):
    """With these columns `good` tokens pass and `bad` ones fail at `check`."""
    admin.execute("UPDATE mongo_tenant.provider SET audience = '{mongo_tenant}', any_audience = false, all_audiences = false,"
                  " tenant_claim = 'tenantId', required_claims = '{}', typ = '{}', azp = '{}' WHERE name = 'map'")
    admin.execute("UPDATE mongo_tenant.provider SET %s WHERE name = 'map'" % settings)
    is_([failing(world, admin, one) for one in good], ["none"] * len(good), name + ": accepted")
    is_([failing(world, admin, one) for one in bad], [check] * len(bad), name + ": refused")


def claim_map(world, admin):
    nested = {"app": {"tenant": "UA", "a.b": "UA", "list": ["UA"]}, "a.b": "UA", "https://x/tenant": "UA"}
    good = token(tenant=None, **nested)
    plain = token()
    for path in ("app.tenant", r"app.a\.b", r"a\.b", "https://x/tenant".replace(".", r"\.")):
        expect(world, admin, "tenant_claim " + path, "tenant_claim = $$%s$$" % path, [good], [plain], "tenant")
    expect(world, admin, "tenant_claim that is a list", "tenant_claim = 'app.list'", [], [good], "tenant")
    expect(world, admin, "tenant_claim through a text", "tenant_claim = 'app.tenant.x'", [], [good], "tenant")
    expect(world, admin, "required claims", "required_claims = '{email,jti}'", [token(email="a@b")], [plain, token(email=None), token(email="a", jti=None)], "required")
    expect(world, admin, "any of the audiences", "audience = '{one,two}'", [token(aud="one"), token(aud=["two"]), token(aud=["x", "one"])],
           [plain, token(aud=None), token(aud=[]), token(aud=["x"]), token(aud="on")], "audience")
    expect(world, admin, "all of the audiences", "audience = '{one,two}', all_audiences = true", [token(aud=["two", "one", "x"])],
           [token(aud="one"), token(aud=["one", "x"])], "audience")
    expect(world, admin, "any audience", "audience = '{}', any_audience = true", [plain, token(aud="x"), token(aud=None)], [], "audience")
    expect(world, admin, "no audience at all", "audience = '{}'", [], [plain], "key")
    expect(world, admin, "an empty audience", "audience = '{mongo_tenant,\"\"}'", [], [plain, token(aud="")], "key")
    expect(world, admin, "an audience that is NULL", "audience = '{mongo_tenant,NULL}'", [], [plain, token(aud="")], "key")
    expect(world, admin, "typ", "typ = '{at+jwt}'", [token(headers={"typ": "at+jwt"}), token(headers={"typ": "application/at+JWT"})],
           [plain, token(headers={"typ": None})], "type")
    expect(world, admin, "azp", "azp = '{web,mobile}'", [token(azp="web")], [plain, token(azp="other")], "type")
    expect(world, admin, "algorithms", "algorithms = '{RS256}'", [], [plain], "algorithm")
    admin.execute("UPDATE mongo_tenant.provider SET algorithms = '{RS256,ES256}' WHERE name = 'map'")
    expect(world, admin, "an algorithm that is none", "algorithms = '{ES256,none}'", [], [plain], "key")
    admin.execute("UPDATE mongo_tenant.provider SET algorithms = '{ES256}' WHERE name = 'map'")
    expect(world, admin, "as it was", "tenant_claim = 'tenantId'", [plain], [], "")


def text(world, admin):
    """Names and tenants beyond ASCII, in UTF-8 and in a database of another encoding."""
    odd = "\u00dcmit\u00e9"
    with world.connect(token=token(tenant=odd, sub="\u00e9l\u00e8ve")) as user:
        is_(world.value(user, "SELECT mongo_tenant.tenant('map')"), odd, "a tenant beyond ASCII")
        is_(world.value(user, "SELECT subject FROM mongo_tenant.whoami()"), "\u00e9l\u00e8ve", "a subject beyond ASCII")
        is_(world.value(user, "SELECT mongo_tenant.claims() ->> 'tenantId'"), odd, "and in claims()")
        admin.execute("SELECT mongo_tenant.revoke('map', tenant => %s)", (odd,))
        throws("28000", lambda: user.execute("SELECT mongo_tenant.tenant('map')"), "revoked by that name")
    latin = world.name + "_latin1"
    with world.connect(role="postgres", database="postgres") as boss:
        boss.execute("DROP DATABASE IF EXISTS %s" % latin)
        boss.execute("CREATE DATABASE %s ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0" % latin)
    try:
        with world.connect(role="postgres", database=latin) as boss:
            boss.execute("CREATE EXTENSION mongo_tenant_fdw")
            boss.execute("SELECT mongo_tenant.create_provider('map', %s, ARRAY['d\u00e9j\u00e0'], %s::jsonb)",
                         (ISSUER, JWKS))
            world.identify(boss, token(tenant=odd, aud="d\u00e9j\u00e0"))
            is_(world.value(boss, "SELECT mongo_tenant.tenant('map')"), odd, "LATIN1: audience and tenant are converted")
            is_(world.value(boss, "SELECT mongo_tenant.claims() ->> 'tenantId'"), odd, "LATIN1: claims()")
            boss.execute("SELECT mongo_tenant.revoke('map', tenant => %s)", (odd,))
            throws("28000", lambda: boss.execute("SELECT mongo_tenant.tenant('map')"), "LATIN1: revoked by that name")
            boss.execute("DELETE FROM mongo_tenant.revocation")
            is_(world.value(boss, "SELECT mongo_tenant.tenant('map')"), odd, "LATIN1: and back")
            world.identify(boss, token(tenant="\u65e5\u672c", aud="d\u00e9j\u00e0"))
            throws("28000", lambda: boss.execute("SELECT mongo_tenant.tenant('map')"), "LATIN1: a tenant that it cannot hold")
            is_(failing(world, boss, token(tenant="\u65e5\u672c", aud="d\u00e9j\u00e0")), "tenant", "LATIN1: and check_token() says so")
            world.identify(boss, token(tenant=odd, aud="d\u00e9j\u00e0", sub="\u65e5\u672c", jti="\u65e5"))
            boss.execute("SET mongo_tenant.audit = 'all'")
            is_(world.value(boss, "SELECT mongo_tenant.tenant('map')"), odd, "LATIN1: a subject that it cannot hold is nobody revoked")
    finally:
        with world.connect(role="postgres", database="postgres") as boss:
            boss.execute("DROP DATABASE %s WITH (FORCE)" % latin)


def libraries(world):
    """libjwt judges signatures inside of the server too, and diag() says the truth about it."""
    with world.connect(token=world.token("UA", key="rs")) as user:
        pid = world.value(user, "SELECT pg_backend_pid()")
        is_(world.value(user, "SELECT mongo_tenant.tenant()"), "UA", "positive control: an RS256 token")
        with open("/proc/%d/maps" % pid) as maps:
            loaded = sorted(set(re.findall(r"/(libjwt\.so\.\d+)", maps.read())))
        signatures = world.value(user, "SELECT value FROM mongo_tenant.diag() WHERE name = 'signatures'")
        ok(len(loaded) == 1 and signatures.startswith(loaded[0] + ", else OpenSSL "),
           "the libjwt that diag() names was loaded to verify it") or diag((loaded, signatures))


with World(engine=False) as world:
    libraries(world)
    with world.admin() as admin:
        admin.execute("SELECT mongo_tenant.create_provider('map', %s, ARRAY['mongo_tenant'], %s::jsonb, algorithms => '{ES256}')",
                      (ISSUER, JWKS))
        claim_map(world, admin)
        text(world, admin)
done()
