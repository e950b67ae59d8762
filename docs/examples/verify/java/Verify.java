// An API in Java that takes requests of an MCP Edge gateway only, and answers with
// the person for whom each is. Needs Java 17 and Gson (Debian: libgoogle-gson-java),
// no JWT library. Run it with: java -cp gson.jar Verify.java
// See docs/verify-requests.md.
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.math.BigInteger;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.security.AlgorithmParameters;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.MessageDigest;
import java.security.PublicKey;
import java.security.Signature;
import java.security.spec.ECGenParameterSpec;
import java.security.spec.ECParameterSpec;
import java.security.spec.ECPoint;
import java.security.spec.ECPublicKeySpec;
import java.security.spec.X509EncodedKeySpec;
import java.time.Duration;
import java.time.Instant;
import java.util.Base64;
import java.util.HexFormat;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.ConcurrentHashMap;

public class Verify {
    static final String ISSUER = System.getenv("ISSUER"), AUDIENCE = System.getenv("AUDIENCE");

    /** Returns the claims of a request that the gateway signed; path has no query. */
    static JsonObject verify(String method, String path, String authorization, byte[] body) throws Exception {
        String[] parts = authorization != null && authorization.startsWith("Bearer ") ? authorization.substring(7).split("\\.", -1) : new String[0];
        check(parts.length == 3, "no assertion");
        JsonObject header = json(parts[0]);
        check("at+jwt".equals(text(header, "typ")) && !header.has("crit"), "typ");
        Key key = key(text(header, "kid"));
        check(key.alg().equals(text(header, "alg")), "alg"); // the key decides, never the token
        Signature signature = Signature.getInstance(key.alg().equals("EdDSA") ? "Ed25519" : "SHA256withECDSAinP1363Format");
        signature.initVerify(key.key());
        signature.update((parts[0] + "." + parts[1]).getBytes(StandardCharsets.US_ASCII));
        check(signature.verify(Base64.getUrlDecoder().decode(parts[2])), "signature");

        JsonObject claims = json(parts[1]);
        long now = Instant.now().getEpochSecond(), skew = 30;
        check(ISSUER.equals(text(claims, "iss")) && AUDIENCE.equals(text(claims, "aud")), "iss or aud");
        check(claims.get("exp").getAsLong() > now - skew && claims.get("iat").getAsLong() <= now + skew, "time");
        check(method.equals(text(claims, "htm")) && (AUDIENCE + path).equals(text(claims, "htu")), "htm or htu");
        String digest = body.length == 0 ? null
            : "sha-256=:" + Base64.getEncoder().encodeToString(MessageDigest.getInstance("SHA-256").digest(body)) + ":";
        check(Objects.equals(digest, text(claims, "content_digest")), "content_digest");
        check(text(claims, "sub") != null && text(claims, "jti") != null, "sub or jti");
        return claims;
    }

    record Key(String alg, PublicKey key) {}

    static volatile Map<String, Key> keys = Map.of();
    static Instant read = Instant.MIN;

    /** Finds a key; asks the issuer again for an unknown one, at most once a minute, and every five minutes. */
    static synchronized Key key(String kid) throws Exception {
        Duration age = read.equals(Instant.MIN) ? Duration.ofDays(1) : Duration.between(read, Instant.now());
        if (age.toMinutes() >= 5 || age.toMinutes() >= 1 && !keys.containsKey(String.valueOf(kid))) {
            read = Instant.now();
            HttpRequest request = HttpRequest.newBuilder(URI.create(ISSUER + "/jwks.json")).timeout(Duration.ofSeconds(5)).build();
            HttpResponse<String> response = HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.ofString());
            if (response.statusCode() == 200) {
                Map<String, Key> found = new ConcurrentHashMap<>();
                for (JsonElement e : JsonParser.parseString(response.body()).getAsJsonObject().getAsJsonArray("keys")) {
                    JsonObject jwk = e.getAsJsonObject();
                    if ("Ed25519".equals(text(jwk, "crv"))) {
                        byte[] der = HexFormat.of().parseHex("302a300506032b6570032100" + HexFormat.of().formatHex(bytes(jwk, "x")));
                        found.put(text(jwk, "kid"), new Key("EdDSA", KeyFactory.getInstance("Ed25519").generatePublic(new X509EncodedKeySpec(der))));
                    } else if ("P-256".equals(text(jwk, "crv"))) {
                        AlgorithmParameters curve = AlgorithmParameters.getInstance("EC");
                        curve.init(new ECGenParameterSpec("secp256r1"));
                        ECPoint point = new ECPoint(new BigInteger(1, bytes(jwk, "x")), new BigInteger(1, bytes(jwk, "y")));
                        ECPublicKeySpec spec = new ECPublicKeySpec(point, curve.getParameterSpec(ECParameterSpec.class));
                        found.put(text(jwk, "kid"), new Key("ES256", KeyFactory.getInstance("EC").generatePublic(spec)));
                    }
                }
                keys = found;
            }
        }
        Key key = keys.get(String.valueOf(kid));
        check(key != null, "kid");
        return key;
    }

    static void check(boolean ok, String what) throws GeneralSecurityException {
        if (!ok) throw new GeneralSecurityException(what);
    }

    static JsonObject json(String part) {
        return JsonParser.parseString(new String(Base64.getUrlDecoder().decode(part), StandardCharsets.UTF_8)).getAsJsonObject();
    }

    static String text(JsonObject o, String name) {
        JsonElement e = o.get(name);
        return e != null && e.isJsonPrimitive() && e.getAsJsonPrimitive().isString() ? e.getAsString() : null;
    }

    static byte[] bytes(JsonObject o, String name) {
        return Base64.getUrlDecoder().decode(text(o, name));
    }

    static void serve(HttpExchange exchange) throws IOException {
        byte[] body = exchange.getRequestBody().readNBytes(1 << 20);
        JsonObject answer = new JsonObject();
        int status = 200;
        try {
            JsonObject claims = verify(exchange.getRequestMethod(), exchange.getRequestURI().getRawPath(),
                exchange.getRequestHeaders().getFirst("Authorization"), body);
            answer.addProperty("email", text(claims, "email"));
            answer.addProperty("sub", text(claims, "sub"));
        } catch (Exception why) { // whatever it is, the request is not verified
            System.err.println("refused: " + why.getMessage());
            status = 401;
            exchange.getResponseHeaders().set("WWW-Authenticate", "Bearer error=\"invalid_token\"");
            answer.addProperty("error", "invalid_token");
        }
        byte[] raw = answer.toString().getBytes(StandardCharsets.UTF_8);
        exchange.getResponseHeaders().set("Content-Type", "application/json");
        exchange.sendResponseHeaders(status, raw.length);
        exchange.getResponseBody().write(raw);
        exchange.close();
    }

    public static void main(String[] args) throws IOException {
        String port = System.getenv("PORT");
        HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", port == null || port.isEmpty() ? 0 : Integer.parseInt(port)), 0);
        server.createContext("/", Verify::serve);
        server.start();
        System.out.println("listening on 127.0.0.1:" + server.getAddress().getPort());
    }
}
