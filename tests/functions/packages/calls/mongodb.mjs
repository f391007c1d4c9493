import { MongoClient } from "mongodb";

export default async () => new MongoClient("mongodb://127.0.0.1", { serverSelectionTimeoutMS: 500 }).connect();
