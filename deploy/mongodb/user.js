// Makes the database user of Attache, or gives it the password that secrets/mongodb_password has now and the database
// that MONGODB_DATABASE names. The image runs it when the database is new, and `make up` each time. By hand:
// docker compose exec --no-TTY mongodb mongosh --quiet --nodb /attache/user.js
load("/attache/login.js");

function adminDatabase() {
  try {
    return db.getSiblingDB("admin"); // at the first start mongosh is connected already, and nobody is asked for a password
  } catch {
    return asRoot();
  }
}

const admin = adminDatabase();
const user = {
  pwd: secret("mongodb_password"),
  roles: [{ role: "readWrite", db: process.env.MONGODB_DATABASE }],
};
if (admin.getUser("attache")) {
  admin.updateUser("attache", user);
  print("MongoDB: the user attache has the password of secrets/mongodb_password.");
} else {
  admin.createUser({ user: "attache", ...user });
  print("MongoDB: the user attache was made.");
}
