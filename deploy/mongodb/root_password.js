// Gives root the password that comes on standard input; the old one is the one that was handed out last.
// docker compose exec --no-TTY mongodb mongosh --quiet --nodb /attache/root_password.js < file
load("/attache/login.js");

const pwd = readFileSync("/dev/stdin", "utf8").trim();
if (!pwd) {
  print("MongoDB: no password came on standard input; root keeps the old one.");
  quit(1);
}
asRoot().updateUser("root", { pwd });
print("MongoDB: the user root has the new password.");
