// A small server to compare with. It uses net/http and SQLite, checks a key, and waits for fsync before each answer.
package main

import (
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strings"
	"time"

	_ "modernc.org/sqlite"
)

const maxBody = 2 << 20

type server struct {
	reads, writes *sql.DB
	key           [32]byte
}

func main() {
	if len(os.Args) != 4 {
		log.Fatal("usage: peer <address> <database file> <key>")
	}
	pragmas := "?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=busy_timeout(5000)&_pragma=cache_size(-65536)"
	s := &server{reads: open(os.Args[2] + pragmas), writes: open(os.Args[2] + pragmas), key: sha256.Sum256([]byte(os.Args[3]))}
	s.writes.SetMaxOpenConns(1)
	must(s.writes.Exec("CREATE TABLE IF NOT EXISTS docs (id TEXT PRIMARY KEY, rev INTEGER, created TEXT, updated TEXT, body TEXT)"))
	log.Fatal(http.ListenAndServe(os.Args[1], s))
}

func open(dsn string) *sql.DB {
	db, err := sql.Open("sqlite", "file:"+dsn)
	if err != nil {
		log.Fatal(err)
	}
	return db
}

func must(_ sql.Result, err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if sha256.Sum256([]byte(r.Header.Get("X-Bunbase-Key"))) != s.key {
		http.Error(w, "unauthorized", http.StatusUnauthorized)
		return
	}
	id := strings.TrimPrefix(r.URL.Path, "/v1/data/posts/")
	switch {
	case r.Method == http.MethodPost:
		s.create(w, r)
	case id != r.URL.Path:
		s.get(w, id)
	default:
		s.list(w)
	}
}

func (s *server) get(w http.ResponseWriter, id string) {
	var rev int
	var created, updated, body string
	row := s.reads.QueryRow("SELECT rev, created, updated, body FROM docs WHERE id = ?", id)
	if err := row.Scan(&rev, &created, &updated, &body); err != nil {
		http.Error(w, "not found", http.StatusNotFound)
		return
	}
	w.Header().Set("ETag", fmt.Sprintf("%q", fmt.Sprint(rev)))
	answer(w, http.StatusOK, seen(id, rev, created, updated, body))
}

func (s *server) list(w http.ResponseWriter) {
	rows, err := s.reads.Query("SELECT id, rev, created, updated, body FROM docs ORDER BY id LIMIT 20")
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer rows.Close()
	var items []string
	for rows.Next() {
		var id, created, updated, body string
		var rev int
		if err := rows.Scan(&id, &rev, &created, &updated, &body); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		items = append(items, seen(id, rev, created, updated, body))
	}
	answer(w, http.StatusOK, `{"items":[`+strings.Join(items, ",")+`],"next":null}`)
}

func (s *server) create(w http.ResponseWriter, r *http.Request) {
	sent, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var document map[string]json.RawMessage
	if err != nil || json.Unmarshal(sent, &document) != nil {
		http.Error(w, "not JSON", http.StatusBadRequest)
		return
	}
	id, now := newID(document["_id"]), time.Now().UTC().Format("2006-01-02T15:04:05.000Z")
	delete(document, "_id")
	body, _ := json.Marshal(document)
	if _, err := s.writes.Exec("INSERT INTO docs VALUES (?, 1, ?, ?, ?)", id, now, now, string(body)); err != nil {
		http.Error(w, err.Error(), http.StatusConflict)
		return
	}
	answer(w, http.StatusCreated, seen(id, 1, now, now, string(body)))
}

func newID(claimed json.RawMessage) string {
	var id string
	if json.Unmarshal(claimed, &id) == nil && id != "" {
		return id
	}
	random := make([]byte, 16)
	_, _ = rand.Read(random)
	return hex.EncodeToString(random)
}

func seen(id string, rev int, created, updated, body string) string {
	return fmt.Sprintf(`{"_id":%q,"_rev":%d,"_created":%q,"_updated":%q,%s`, id, rev, created, updated, body[1:])
}

func answer(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body)
}
