// Writes, finds and misses a document with the client that oapi-codegen makes.
package main

import (
	"context"
	"log"
	"net/http"
	"os"

	"example.org/clients/bunbase"
)

func main() {
	key := func(_ context.Context, request *http.Request) error {
		request.Header.Set("X-Bunbase-Key", os.Getenv("BUNBASE_KEY"))
		return nil
	}
	client, err := bunbase.NewClientWithResponses(os.Getenv("BUNBASE_URL"), bunbase.WithRequestEditorFn(key))
	expect(err == nil, "a client", err)
	ctx := context.Background()

	sent := bunbase.NewDocument{AdditionalProperties: map[string]any{"title": "Go", "likes": 3}}
	created, err := client.CreateDocumentWithResponse(ctx, "posts", nil, sent)
	expect(err == nil && created.JSON201 != nil, "a document", err)
	var id string = created.JSON201.UnderscoreId
	var revision int = created.JSON201.UnderscoreRev

	where := map[string]any{"title": "Go", "likes": map[string]any{"$gte": 3}}
	limit, sort := 5, []string{"-_created"}
	query := bunbase.DocumentQuery{Where: &where, Sort: &sort, Limit: &limit}
	page, err := client.QueryDocumentsWithResponse(ctx, "posts", nil, query)
	expect(err == nil && page.JSON200 != nil, "a page", err)
	var items []bunbase.FoundDocument = page.JSON200.Items
	expect(len(items) == 1 && items[0].UnderscoreId == id, "the document", items)
	expect(items[0].AdditionalProperties["likes"] == 3.0 && revision == 1, "its fields", items)
	expect(page.JSON200.Next == nil, "the last page", page.JSON200.Next)

	likes := "likes"
	values := map[string]bunbase.AggregatedValue{"total": {Sum: &likes}}
	groups, err := client.AggregateDocumentsWithResponse(ctx, "posts", nil, bunbase.DocumentAggregation{Values: values})
	expect(err == nil && groups.JSON200 != nil && len(groups.JSON200.Items) == 1, "one group", err)

	missing, err := client.GetDocumentWithResponse(ctx, "posts", "missing", nil)
	expect(err == nil && missing.ApplicationproblemJSON404 != nil, "a problem", err)
	var code string = missing.ApplicationproblemJSON404.Code
	expect(code == "document_not_found", "the code", code)
}

func expect(good bool, what string, found any) {
	if !good {
		log.Fatalf("expected %s, found %v", what, found)
	}
}
