using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace Incidents.Migrations
{
    /// <inheritdoc />
    public partial class EscalationsGoOn : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropPrimaryKey(
                name: "pk_calendar_feeds",
                table: "calendar_feeds");

            migrationBuilder.AddColumn<long>(
                name: "remaining_ms",
                table: "pages",
                type: "bigint",
                nullable: true);

            migrationBuilder.AddColumn<string>(
                name: "loud_despite",
                table: "incidents",
                type: "text",
                nullable: true);

            migrationBuilder.AddPrimaryKey(
                name: "pk_calendar_feeds",
                table: "calendar_feeds",
                columns: new[] { "schedule", "source" });

            migrationBuilder.CreateIndex(
                name: "ix_incidents_loud_despite",
                table: "incidents",
                column: "loud_despite",
                filter: "loud_despite is not null");
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropIndex(
                name: "ix_incidents_loud_despite",
                table: "incidents");

            // Copies of calendars: each is fetched again.
            migrationBuilder.Sql("delete from calendar_feeds");

            migrationBuilder.DropPrimaryKey(
                name: "pk_calendar_feeds",
                table: "calendar_feeds");

            migrationBuilder.DropColumn(
                name: "remaining_ms",
                table: "pages");

            migrationBuilder.DropColumn(
                name: "loud_despite",
                table: "incidents");

            migrationBuilder.AddPrimaryKey(
                name: "pk_calendar_feeds",
                table: "calendar_feeds",
                column: "schedule");
        }
    }
}
