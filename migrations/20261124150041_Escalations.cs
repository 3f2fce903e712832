using Microsoft.EntityFrameworkCore.Migrations;
using NodaTime;

#nullable disable

namespace Incidents.Migrations
{
    /// <inheritdoc />
    public partial class Escalations : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.CreateTable(
                name: "escalations",
                columns: table => new
                {
                    number = table.Column<long>(type: "bigint", nullable: false),
                    policy = table.Column<string>(type: "text", nullable: false),
                    snapshot = table.Column<string>(type: "jsonb", nullable: false),
                    status = table.Column<string>(type: "text", nullable: false),
                    step = table.Column<int>(type: "integer", nullable: false),
                    round = table.Column<int>(type: "integer", nullable: false),
                    run = table.Column<int>(type: "integer", nullable: false),
                    due_at = table.Column<Instant>(type: "timestamp with time zone", nullable: true),
                    remaining_ms = table.Column<long>(type: "bigint", nullable: true),
                    stopped_reason = table.Column<string>(type: "text", nullable: true),
                    round_reached = table.Column<bool>(type: "boolean", nullable: false),
                    revision = table.Column<long>(type: "bigint", nullable: false)
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_escalations", x => x.number);
                });

            migrationBuilder.CreateTable(
                name: "pages",
                columns: table => new
                {
                    incident_number = table.Column<long>(type: "bigint", nullable: false),
                    person = table.Column<string>(type: "text", nullable: false),
                    run = table.Column<int>(type: "integer", nullable: false),
                    round = table.Column<int>(type: "integer", nullable: false),
                    step = table.Column<int>(type: "integer", nullable: false),
                    started_at = table.Column<Instant>(type: "timestamp with time zone", nullable: false),
                    contacts = table.Column<string>(type: "jsonb", nullable: false),
                    status = table.Column<string>(type: "text", nullable: false),
                    begun = table.Column<int>(type: "integer", nullable: false),
                    failed = table.Column<string[]>(type: "text[]", nullable: false),
                    due_at = table.Column<Instant>(type: "timestamp with time zone", nullable: true),
                    bundled_in = table.Column<long>(type: "bigint", nullable: true)
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_pages", x => new { x.incident_number, x.run, x.round, x.step, x.person });
                });

            migrationBuilder.CreateIndex(
                name: "ix_notices_opened_at",
                table: "notices",
                column: "opened_at",
                filter: "closed_at is null and group_key like '@%'");

            migrationBuilder.CreateIndex(
                name: "ix_deliveries_notice_id",
                table: "deliveries",
                column: "notice_id",
                filter: "notice_id is not null and receiver like '@%'");

            migrationBuilder.CreateIndex(
                name: "ix_escalations_due_at",
                table: "escalations",
                column: "due_at",
                filter: "due_at is not null");

            migrationBuilder.CreateIndex(
                name: "ix_escalations_number",
                table: "escalations",
                column: "number",
                filter: "status = 'ended'");

            migrationBuilder.CreateIndex(
                name: "ix_pages_bundled_in",
                table: "pages",
                column: "bundled_in",
                filter: "bundled_in is not null");

            migrationBuilder.CreateIndex(
                name: "ix_pages_due_at",
                table: "pages",
                column: "due_at",
                filter: "due_at is not null");

            migrationBuilder.CreateIndex(
                name: "ix_pages_person_started_at",
                table: "pages",
                columns: new[] { "person", "started_at" });
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropTable(
                name: "escalations");

            migrationBuilder.DropTable(
                name: "pages");

            migrationBuilder.DropIndex(
                name: "ix_notices_opened_at",
                table: "notices");

            migrationBuilder.DropIndex(
                name: "ix_deliveries_notice_id",
                table: "deliveries");
        }
    }
}
