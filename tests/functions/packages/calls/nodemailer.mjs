import assert from "node:assert";
import nodemailer from "nodemailer";

export default async () => {
  const mail = { from: "a@b.example", to: "c@d.example", subject: "Hello", text: "text" };
  const made = await nodemailer.createTransport({ streamTransport: true, buffer: true }).sendMail(mail);
  assert.match(String(made.message), /Subject: Hello/);
  await nodemailer.createTransport({ host: "127.0.0.1", port: 25 }).sendMail(mail);
};
