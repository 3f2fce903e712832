using Microsoft.EntityFrameworkCore.Migrations;
using NodaTime;
using Npgsql.EntityFrameworkCore.PostgreSQL.Metadata;

#nullable disable

namespace Incidents.Migrations
{
    /// <inheritdoc />
    public partial class PostMortems : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.CreateTable(
                name: "ledger_days",
                columns: table => new
                {
                    day = table.Column<LocalDate>(type: "date", nullable: false),
                    webhooks = table.Column<long>(type: "bigint", nullable: false),
                    ingested = table.Column<long>(type: "bigint", nullable: false),
                    partial = table.Column<long>(type: "bigint", nullable: false),
                    unreadable = table.Column<long>(type: "bigint", nullable: false),
                    alerts = table.Column<long>(type: "bigint", nullable: false),
                    opened = table.Column<long>(type: "bigint", nullable: false),
                    attached = table.Column<long>(type: "bigint", nullable: false),
                    suppressed = table.Column<long>(type: "bigint", nullable: false),
                    informed = table.Column<long>(type: "bigint", nullable: false),
                    duplicate = table.Column<long>(type: "bigint", nullable: false),
                    resolved = table.Column<long>(type: "bigint", nullable: false),
                    quarantined = table.Column<long>(type: "bigint", nullable: false)
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_ledger_days", x => x.day);
                });

            migrationBuilder.CreateTable(
                name: "post_mortem_revisions",
                columns: table => new
                {
                    post_mortem_id = table.Column<long>(type: "bigint", nullable: false),
                    revision = table.Column<long>(type: "bigint", nullable: false),
                    at = table.Column<Instant>(type: "timestamp with time zone", nullable: false),
                    by_kind = table.Column<string>(type: "text", nullable: false),
                    by = table.Column<string>(type: "text", nullable: false),
                    section = table.Column<string>(type: "text", nullable: false),
                    text = table.Column<string>(type: "text", nullable: false)
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_post_mortem_revisions", x => new { x.post_mortem_id, x.revision });
                });

            migrationBuilder.CreateTable(
                name: "post_mortem_versions",
                columns: table => new
                {
                    post_mortem_id = table.Column<long>(type: "bigint", nullable: false),
                    number = table.Column<int>(type: "integer", nullable: false),
                    published_at = table.Column<Instant>(type: "timestamp with time zone", nullable: false),
                    published_by = table.Column<string>(type: "text", nullable: false),
                    markdown = table.Column<string>(type: "text", nullable: false)
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_post_mortem_versions", x => new { x.post_mortem_id, x.number });
                });

            migrationBuilder.CreateTable(
                name: "post_mortems",
                columns: table => new
                {
                    id = table.Column<long>(type: "bigint", nullable: false)
                        .Annotation("Npgsql:ValueGenerationStrategy", NpgsqlValueGenerationStrategy.IdentityAlwaysColumn),
                    incident_number = table.Column<long>(type: "bigint", nullable: false),
                    status = table.Column<string>(type: "text", nullable: false),
                    title = table.Column<string>(type: "text", nullable: false),
                    severity = table.Column<string>(type: "text", nullable: false),
                    required_because = table.Column<string>(type: "text", nullable: true),
                    header = table.Column<string>(type: "jsonb", nullable: true),
                    timeline = table.Column<string>(type: "jsonb", nullable: false),
                    sections = table.Column<string>(type: "jsonb", nullable: false),
                    notice = table.Column<string>(type: "text", nullable: true),
                    skipped_reason = table.Column<string>(type: "text", nullable: true),
                    version = table.Column<int>(type: "integer", nullable: false),
                    published_at = table.Column<Instant>(type: "timestamp with time zone", nullable: true),
                    created_at = table.Column<Instant>(type: "timestamp with time zone", nullable: false),
                    updated_at = table.Column<Instant>(type: "timestamp with time zone", nullable: false),
                    revision = table.Column<long>(type: "bigint", nullable: false),
                    seen_reopened = table.Column<int>(type: "integer", nullable: false),
                    draft_due_at = table.Column<Instant>(type: "timestamp with time zone", nullable: true)
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_post_mortems", x => x.id);
                });

            migrationBuilder.CreateIndex(
                name: "ix_post_mortems_draft_due_at",
                table: "post_mortems",
                column: "draft_due_at",
                filter: "draft_due_at is not null");

            migrationBuilder.CreateIndex(
                name: "ix_post_mortems_incident_number",
                table: "post_mortems",
                column: "incident_number",
                unique: true);
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropTable(
                name: "ledger_days");

            migrationBuilder.DropTable(
                name: "post_mortem_revisions");

            migrationBuilder.DropTable(
                name: "post_mortem_versions");

            migrationBuilder.DropTable(
                name: "post_mortems");
        }
    }
}
