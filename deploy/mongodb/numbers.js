// Prints the id of every WhatsApp number that is saved, one on a line.
load("/attache/login.js");

asRoot().getSiblingDB(process.env.MONGODB_DATABASE).whatsapp_instances.find({}, { _id: 1 }).forEach(({ _id }) => print(_id));
