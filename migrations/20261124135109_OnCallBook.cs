using System;
using Microsoft.EntityFrameworkCore.Migrations;
using NodaTime;

#nullable disable

namespace Incidents.Migrations
{
    /// <inheritdoc />
    public partial class OnCallBook : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.CreateTable(
                name: "calendar_feeds",
                columns: table => new
                {
                    schedule = table.Column<string>(type: "text", nullable: false),
                    source = table.Column<string>(type: "text", nullable: false),
                    content = table.Column<string>(type: "text", nullable: true),
                    body = table.Column<string>(type: "text", nullable: true),
                    etag = table.Column<string>(type: "text", nullable: true),
                    fetched_at = table.Column<Instant>(type: "timestamp with time zone", nullable: true),
                    due_at = table.Column<Instant>(type: "timestamp with time zone", nullable: false),
                    problem = table.Column<string>(type: "text", nullable: true),
                    failures = table.Column<int>(type: "integer", nullable: false)
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_calendar_feeds", x => x.schedule);
                });

            migrationBuilder.CreateTable(
                name: "calendar_links",
                columns: table => new
                {
                    kind = table.Column<string>(type: "text", nullable: false),
                    key = table.Column<string>(type: "text", nullable: false),
                    generation = table.Column<int>(type: "integer", nullable: false)
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_calendar_links", x => new { x.kind, x.key });
                });

            migrationBuilder.CreateTable(
                name: "coverage_checks",
                columns: table => new
                {
                    id = table.Column<int>(type: "integer", nullable: false),
                    examined = table.Column<string>(type: "text", nullable: false),
                    checked_at = table.Column<Instant>(type: "timestamp with time zone", nullable: false),
                    holes = table.Column<string>(type: "jsonb", nullable: false)
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_coverage_checks", x => x.id);
                });

            migrationBuilder.CreateTable(
                name: "duty_watches",
                columns: table => new
                {
                    schedule = table.Column<string>(type: "text", nullable: false),
                    people = table.Column<string[]>(type: "text[]", nullable: false),
                    since = table.Column<Instant>(type: "timestamp with time zone", nullable: false)
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_duty_watches", x => x.schedule);
                });

            migrationBuilder.CreateTable(
                name: "shift_swaps",
                columns: table => new
                {
                    id = table.Column<Guid>(type: "uuid", nullable: false),
                    schedule = table.Column<string>(type: "text", nullable: false),
                    person = table.Column<string>(type: "text", nullable: false),
                    gives_from = table.Column<Instant>(type: "timestamp with time zone", nullable: false),
                    gives_until = table.Column<Instant>(type: "timestamp with time zone", nullable: false),
                    returns_from = table.Column<Instant>(type: "timestamp with time zone", nullable: true),
                    returns_until = table.Column<Instant>(type: "timestamp with time zone", nullable: true),
                    offered_to = table.Column<string>(type: "text", nullable: true),
                    reason = table.Column<string>(type: "text", nullable: true),
                    requested_at = table.Column<Instant>(type: "timestamp with time zone", nullable: false),
                    requested_by = table.Column<string>(type: "text", nullable: false),
                    taken_by = table.Column<string>(type: "text", nullable: true),
                    taken_at = table.Column<Instant>(type: "timestamp with time zone", nullable: true),
                    withdrawn_at = table.Column<Instant>(type: "timestamp with time zone", nullable: true),
                    declined_at = table.Column<Instant>(type: "timestamp with time zone", nullable: true),
                    revision = table.Column<long>(type: "bigint", nullable: false)
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_shift_swaps", x => x.id);
                });

            migrationBuilder.CreateIndex(
                name: "ix_shift_swaps_schedule_gives_until",
                table: "shift_swaps",
                columns: new[] { "schedule", "gives_until" });
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropTable(
                name: "calendar_feeds");

            migrationBuilder.DropTable(
                name: "calendar_links");

            migrationBuilder.DropTable(
                name: "coverage_checks");

            migrationBuilder.DropTable(
                name: "duty_watches");

            migrationBuilder.DropTable(
                name: "shift_swaps");
        }
    }
}
