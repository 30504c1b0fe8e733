// For the scripts beside it: `secret(name)`, and `asRoot()`, the database `admin` as root sees it.
const { readFileSync } = require("fs");
const secret = (name) => readFileSync(`/run/secrets/${name}`, "utf8").trim();

function loggedIn() {
  const password = encodeURIComponent(secret("mongodb_root_password"));
  return new Mongo(`mongodb://root:${password}@127.0.0.1/?authSource=admin`).getDB("admin");
}

// The image makes root when the database is new. A start that was cut off before that is never made up for by the image;
// but as long as there is no user at all, MongoDB lets whoever is on its machine make the first one.
function asRoot() {
  try {
    const admin = loggedIn(); // mongosh catches nothing that is thrown in a `return`
    return admin;
  } catch (refused) {
    if (refused.code !== 18) throw refused; // AuthenticationFailed
  }
  try {
    const pwd = secret("mongodb_root_password");
    new Mongo("mongodb://127.0.0.1/").getDB("admin").createUser({ user: "root", pwd, roles: ["root"] });
  } catch {
    print("MongoDB: the password of root is not the one in secrets/mongodb_root_password.");
    quit(3);
  }
  print("MongoDB: the first start had been cut off; the user root was made.");
  return loggedIn();
}
